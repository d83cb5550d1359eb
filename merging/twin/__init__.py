"""Twin-Merging's router: which models' own parts a prompt asks for."""
