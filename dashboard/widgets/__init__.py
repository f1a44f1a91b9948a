"""Parts that several screens use: figures in words, charts."""
