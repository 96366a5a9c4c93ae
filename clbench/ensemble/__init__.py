"""Many small models as one big job: K models on K subsets, stored, and what is made of them."""
