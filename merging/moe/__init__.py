"""Mixtures of experts: their tensors, how they are used, and merging experts with one another.

M-SMoE of Li et al., "Merge, Then Compress: Demystify Efficient SMoE with Hints from Its Routing
Policy", arXiv 2310.01334, in its released code, without its distillation.
"""
