"""What a trained model is worth: measured numbers, distances, partition functions, two-forms, reports."""
