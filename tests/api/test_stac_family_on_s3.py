"""Items in a bucket: their assets are found beside them, in the same bucket alone."""

from __future__ import annotations

from pathlib import Path

from tests.support import items, rasters, service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401  fixtures


def test_assets_beside_an_item_in_a_bucket(s3: S3, tmp_path: Path) -> None:  # noqa: F811
    s3.bucket("scenes")
    for number, name in enumerate(("red", "green", "blue")):
        path = rasters.constant(tmp_path / f"{name}.tif", number + 1, "uint16" if number else "uint8", size=256)
        s3.put("scenes", f"a/b/{name}.tif", path.read_bytes())
    elsewhere = {"secret": {"href": "../../secret.tif"}, "above": {"href": "../../../../x.tif"}}
    s3.put("scenes", "a/b/item.json", items.encoded("red", "green", "blue", assets=elsewhere))
    with service.client("s3://scenes/a/", s3_endpoint=s3.endpoint) as client:
        query = {"url": "s3://scenes/a/b/item.json", "assets": ["red", "green", "blue"]}
        found = client.get("/stac/point/8.5,46.5", params=query)
        assert found.json()["values"] == [1, 2, 3]
        picture = client.get("/stac/preview.npy", params=query)
        assert service.array(picture.content)[0][:, 9, 9].tolist() == [1, 2, 3]
        for name in elsewhere:
            refused = client.get("/stac/info", params=query | {"assets": name})
            assert refused.status_code in (403, 422), refused.text
            assert refused.json()["parameter"] == "assets"
