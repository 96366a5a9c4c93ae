"""Attacks that try to bring back what a version forgot."""
