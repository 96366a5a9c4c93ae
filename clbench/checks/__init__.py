"""The checks of the contract, by topic; `clbench.contract` has them all."""
