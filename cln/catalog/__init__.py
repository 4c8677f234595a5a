"""What is sold: products, license types with their wire codes, dated prices, operator rules."""
