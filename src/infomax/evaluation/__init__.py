"""Evaluation of features: classifiers and nearest neighbors on labels, comparison of runs, explanations, proxies."""
