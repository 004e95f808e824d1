"""The variance laboratory: Var(ĝ) = tr Cov(ĝ) of policy-gradient estimators, measured."""
