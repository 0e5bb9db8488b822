"""Forms: one class or function per POST. They check shape; what policy says comes back from the services."""
