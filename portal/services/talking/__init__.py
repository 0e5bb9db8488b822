"""What is said to customers and among people: mails, threads, ready texts, scores."""
