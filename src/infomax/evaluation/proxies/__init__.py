"""Label-free proxies of representation quality, after the Deep InfoMax paper (arXiv 1808.06670)."""
