"""The bucket of finished tiles in front of the service: what is there comes from S3, and only what is missing is made.

Without CloudFront the bucket is an S3 website. It lets everybody read below one prefix and nothing else; where it
cannot answer, its routing rules send the caller to the service, which makes the tile, keeps it and sends the caller
back::

    GET website/tiles/alps/8/133/90.png      307 service/unstored/alps/8/133/90.png
    GET service/unstored/alps/8/133/90.png   302 website/tiles/alps/8/133/90.png, once the tile is there
    GET website/tiles/alps/8/133/90.png      200, now and ever after
    GET website/alps/8/133/90.png            307 website/tiles/alps/8/133/90.png

With CloudFront the bucket stays private. CloudFront asks it first and the service where it has no answer (an origin
group); nobody is sent anywhere, and all of it is TLS.
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Duration, Fn
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.config import StackConfig
from cdk.edge import SCRIPT, Edge, associate

PREFIX = "tiles/"
"""Where the tiles are in the bucket."""
UNSTORED = "unstored/"
"""What the service is asked with by those whom the website sent: it leads nobody back to what cannot be read there."""
NO_ANSWER = ("403", "404")
"""S3 says 403 for what is not there to those who may not list the bucket, and nobody may."""
_STORED = Path(__file__).parent / "stored_tiles.js"
_OTHER_PATHS = ("/cog/*", "/layers/*", "/mosaic*", "/stac/*", "/static/*", "/zarr/*")
"""Paths with as many parts as a tile's, of which no bucket has any."""


def environment(bucket: s3.Bucket, config: StackConfig) -> dict[str, str]:
    """Return what the service has to know of the bucket before it; what ``env`` says wins."""
    found = {"TILERY_TILE_STORE_LAYOUT": "plain", "TILERY_TILE_STORE_MODE": "serve"}
    if not config.cloudfront:
        found |= {
            "TILERY_TILE_STORE_MODE": "redirect",
            "TILERY_TILE_STORE_URL": f"{bucket.bucket_website_url}/{PREFIX}",
            "TILERY_TILE_STORE_FIRST": "1",
        }
    return {name: value for name, value in found.items() if name not in config.env}


def open_website(bucket: s3.Bucket, url: str) -> None:
    """Make the bucket a website, which leads to the service what it has not got.

    Args:
        bucket: of finished tiles.
        url: public address of the service, without a path.
    """
    protocol, host = _parts(url)
    _open(bucket)
    _route(bucket, protocol, host)


def _parts(url: str) -> tuple[str, str]:
    """Protocol and host of an address, of which a part may be known only while it is deployed."""
    if "://" in url:
        protocol, _, host = url.partition("://")
        return protocol, host
    return "https", Fn.select(2, Fn.split("/", url))


def _open(bucket: s3.Bucket) -> None:
    """Let everybody read the tiles, which is as much as may be public; whatever else is asked needs TLS."""
    cfn = _cfn(bucket)
    cfn.public_access_block_configuration = s3.CfnBucket.PublicAccessBlockConfigurationProperty(
        block_public_acls=True, ignore_public_acls=True, block_public_policy=False, restrict_public_buckets=False
    )
    cfn.cors_configuration = s3.CfnBucket.CorsConfigurationProperty(
        cors_rules=[
            s3.CfnBucket.CorsRuleProperty(
                allowed_methods=["GET", "HEAD"], allowed_origins=["*"], exposed_headers=["ETag"], max_age=86400
            )
        ]
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObject"],
            resources=[bucket.arn_for_objects(f"{PREFIX}*")],
        )
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            not_actions=["s3:GetObject"],
            resources=[bucket.bucket_arn, bucket.arn_for_objects("*")],
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        )
    )


def _route(bucket: s3.Bucket, protocol: str, host: str) -> None:
    """Send on to the service whoever asks for a tile that the bucket cannot give.

    Tiles that are asked for at the root of the website are below the prefix. With 307, which nobody keeps: S3's own
    choice would be 301, which browsers keep for ever.
    """
    kept = {"http_redirect_code": "307"}
    leads = (
        (PREFIX, {"protocol": protocol, "host_name": host, "replace_key_prefix_with": UNSTORED}),
        (None, {"replace_key_prefix_with": PREFIX}),  # S3 takes the first rule that fits
    )
    _cfn(bucket).website_configuration = s3.CfnBucket.WebsiteConfigurationProperty(
        index_document="index.html",
        routing_rules=[
            s3.CfnBucket.RoutingRuleProperty(
                routing_rule_condition=s3.CfnBucket.RoutingRuleConditionProperty(
                    key_prefix_equals=prefix, http_error_code_returned_equals=status
                ),
                redirect_rule=s3.CfnBucket.RedirectRuleProperty(**kept, **where),
            )
            for prefix, where in leads
            for status in NO_ANSWER
        ],
    )


def put_store_first(scope: Construct, edge: Edge, bucket: s3.Bucket, service: cloudfront.IOrigin) -> None:
    """Have CloudFront ask the bucket for tiles of layers, and the service where the bucket has no answer.

    An S3 website's rules work by its own address only, which has no TLS and must be public; so here it is an origin
    group over the bucket itself.
    """
    store = origins.S3BucketOrigin.with_origin_access_control(bucket, origin_path=f"/{PREFIX.rstrip('/')}")
    group = origins.OriginGroup(
        primary_origin=store, fallback_origin=service, fallback_status_codes=[403, 404, 500, 502, 503, 504]
    )
    policy = cloudfront.CachePolicy(
        scope,
        "StoredTiles",
        comment="Tiles of layers, by path and parameters",
        default_ttl=Duration.hours(1),
        min_ttl=Duration.seconds(0),
        max_ttl=Duration.days(365),
        query_string_behavior=cloudfront.CacheQueryStringBehavior.all(),
        header_behavior=cloudfront.CacheHeaderBehavior.none(),
        cookie_behavior=cloudfront.CacheCookieBehavior.none(),
    )
    code = SCRIPT.read_text(encoding="utf-8").replace("function handler(", "function normalise(")
    function = cloudfront.Function(
        scope,
        "StoredTilesQuery",
        code=cloudfront.FunctionCode.from_inline(code + _STORED.read_text(encoding="utf-8")),
        runtime=cloudfront.FunctionRuntime.JS_2_0,
        comment="Leads tiles with parameters past the bucket",
    )
    reading = cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS
    for path in _OTHER_PATHS:
        _behave(edge, path, service, edge.cache, edge.function, cloudfront.AllowedMethods.ALLOW_ALL)
    _behave(edge, "/*/*/*/*.*", group, policy, function, reading)


def _behave(
    edge: Edge,
    path: str,
    origin: cloudfront.IOrigin,
    policy: cloudfront.CachePolicy,
    function: cloudfront.Function,
    methods: cloudfront.AllowedMethods,
) -> None:
    edge.distribution.add_behavior(
        path,
        origin,
        cache_policy=policy,
        origin_request_policy=edge.handed_on,
        response_headers_policy=edge.told,
        allowed_methods=methods,
        viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        compress=True,
        function_associations=[associate(function)],
    )


def _cfn(bucket: s3.Bucket) -> s3.CfnBucket:
    found = bucket.node.default_child
    if not isinstance(found, s3.CfnBucket):
        raise TypeError("the bucket is not one of this stack")
    return found
