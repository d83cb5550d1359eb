"""Number understanding: 17 tasks over four ways to write a number, 41 pairs, generated."""
