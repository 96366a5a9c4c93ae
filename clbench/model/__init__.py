"""Networks and what methods share in training them."""
