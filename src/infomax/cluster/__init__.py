"""Many machines: embedding and indexing as tasks of a Ray cluster, which starts workers and retries those that die."""
