"""Label-free proxies of representation quality, after the Deep InfoMax paper (Hjelm et al. 2019, arXiv 1808.06670).

- `mine`: mutual information of images and codes, by a critic.
- `neural_dependency`: dependence among the dimensions of a code.
- `decoder`: MS-SSIM of images that a decoder reconstructs from codes.
- `measure`: all three, for a model.
"""
