"""What is learned: encoders, objectives in nats, and the one place with an optimizer."""
