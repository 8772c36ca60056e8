"""What the stacks of the service have in common, whether it runs in tasks or as a function."""

from __future__ import annotations

from typing import Any

from aws_cdk import Annotations, CfnOutput, Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.buckets import make_bucket
from cdk.config import StackConfig
from cdk.encryption import key_of
from cdk.notices import warn_of_silence
from cdk.settings import SECRETS
from cdk.tags import tag


class TilerStack(Stack):
    """A stack with a bucket for finished tiles where the settings ask for one."""

    def __init__(self, scope: Construct, name: str, config: StackConfig, *, description: str, **kwargs: Any) -> None:
        """Make the bucket; the rest is the stack's own.

        Args:
            scope: the application.
            name: of the stack.
            config: the settings.
            description: what the console says of it.
            kwargs: further options of the stack.
        """
        super().__init__(scope, name, description=description, termination_protection=config.protected, **kwargs)
        tag(self, config)
        self._config = config
        self.website = config.tile_website and not config.cloudfront
        """Whether the bucket is an S3 website, which callers ask first."""
        self.store: s3.Bucket | None = None
        if config.has_store:
            days, key = config.tile_store_expiry_days, key_of(self, config)
            self.store = make_bucket(self, "TileStore", days=days, website=self.website, key=key)

    def warn_of_settings(self, *, place: str) -> None:
        """Say while deploying what an operator might not want: secrets in ``place``, nothing to read, nobody told."""
        note = Annotations.of(self)
        warn_of_silence(self, self._config)
        if named := sorted(set(self._config.env) & set(SECRETS)):
            note.add_warning_v2(
                "tilery:secret",
                f"{', '.join(named)} would stand in the {place}, where many may read it: "
                "use TILERY_STACK_ACCESS_TOKEN_SECRET or a role.",
            )
        if not self._config.all_sources() and not self._config.catalog:
            note.add_warning_v2(
                "tilery:sources", "Neither TILERY_STACK_SOURCES nor TILERY_STACK_CATALOG is set: nothing can be read."
            )

    def give_outputs(self, *, url: str, log_group: str, **more: str) -> None:
        """Give the outputs: where it is, where to look, and what the stack has more."""
        console = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        dashboard = f"{console}#dashboards/dashboard/{self.stack_name}"
        outputs = {"Url": url, "DashboardUrl": dashboard, "LogGroup": log_group, **more}
        if self.store:
            outputs["TileStoreBucket"] = self.store.bucket_name
            if self.website:
                outputs["TilesUrl"] = f"{self.store.bucket_website_url}/tiles/"
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
