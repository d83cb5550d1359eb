"""Data-flow space: the blocks of several models, visited along a path (Akiba et al., "Evolutionary
Optimization of Model Merging Recipes", arXiv 2403.13187, section 3.2).

Weights stay as they are; only the way of the residual stream is another. A recipe writes a path as
a `passthrough` of slices, each with one source: mergekit's own vocabulary, except for the parameter
`input_scale`, which multiplies the residual stream where it enters a block.
"""
