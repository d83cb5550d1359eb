"""Plans as native loops: their kernels traced, written as C++, compiled once and called."""
