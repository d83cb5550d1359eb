"""What data-driven methods know of their models beside the weights: computed once from texts.

Statistics are files, named by all that they depend on, and shared by every candidate and job.
"""
