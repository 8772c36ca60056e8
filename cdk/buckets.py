"""Buckets: nobody's but ours, encrypted, over TLS, and empty again after a while."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


def make_bucket(
    scope: Construct,
    name: str,
    *,
    days: int | None,
    website: bool = False,
    prefix: str | None = None,
    key: kms.IKey | None = None,
) -> s3.Bucket:
    """Return a private bucket whose objects expire after so many days, or never; or those below a prefix.

    With a ``key`` S3 asks for one of a day's objects and not for each (a bucket key), which is what KMS is paid for.
    S3's websites know no TLS: the bucket of a ``website`` says itself what goes without (`cdk.website`).

    It outlives its stack: CloudFormation cannot delete a bucket with something in it, and emptying one would take a
    function of its own. ``docs/deploy-ecs.md`` has the command.
    """
    return s3.Bucket(
        scope,
        name,
        encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=key,
        bucket_key_enabled=True if key else None,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=not website,
        removal_policy=RemovalPolicy.RETAIN,
        lifecycle_rules=[
            s3.LifecycleRule(
                prefix=prefix,
                expiration=Duration.days(days) if days else None,
                abort_incomplete_multipart_upload_after=Duration.days(1),
            )
        ],
    )


def store_statements(bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Return what the service may do in the bucket of finished tiles."""
    return [
        iam.PolicyStatement(
            actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], resources=[bucket.arn_for_objects("tiles/*")]
        ),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": ["tiles/", "tiles/*"]}},
        ),
    ]
