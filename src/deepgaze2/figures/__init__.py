"""The paper's figures, drawn from scores."""
