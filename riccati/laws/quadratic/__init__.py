"""k = 2: the laws read off replicas of SGD at a finite step."""
