"""What the bot remembers. Plain functions over a connection; never a token value in any column."""
