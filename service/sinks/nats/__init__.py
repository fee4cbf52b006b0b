"""Events into NATS JetStream, whose acknowledgement says that a stream has them."""
