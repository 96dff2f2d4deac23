"""What customers can see of who read or asked about them."""
