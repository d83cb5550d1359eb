"""How parents become a child: recipes, the catalogue of methods, the engine, checkpoints.

`merging.recipe`, `merging.values` and `merging.catalogue` are plain data and load no torch, so
that a search can speak about merges without being able to run one.
"""
