"""Images, the first kind of data: what `infomax.images` and `infomax.decoding` do, behind the protocol of all kinds."""
