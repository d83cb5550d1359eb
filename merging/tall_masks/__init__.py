"""TALL masks, and archives of fine-tuned models made with them."""
