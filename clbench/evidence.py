"""What a ledger holds, under the names that metrics ask for."""
