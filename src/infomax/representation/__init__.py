"""What is learned: augmentation of images, encoders, and objectives in nats."""
