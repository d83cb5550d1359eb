"""One module a merge method: its formula, and `METHOD`, its entry in the catalogue.

No module here loads torch when it is imported; see `merging.method`.
"""
