"""What tests share: parts of the sandbox, started for them and ended after them."""
