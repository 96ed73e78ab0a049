"""Collections of faces that outgrow one machine: encoding into shards, and exact search in them.

Work is done by this process, or by workers of Dask, which the extra `cluster` adds: see `connected`.
"""

from minicnn.errors import suggest_names
from minicnn.scale.clients import connected
from minicnn.scale.collection import Collection, Hit
from minicnn.scale.jobs import Summary, encode_all
from minicnn.scale.shard_gallery import ShardGallery
from minicnn.scale.shards import Shard

__all__ = ["Collection", "Hit", "Shard", "ShardGallery", "Summary", "connected", "encode_all"]

suggest_names(__name__, __all__)
