"""What is sold: products, license types with their wire codes, dated price lists, operator rules."""
