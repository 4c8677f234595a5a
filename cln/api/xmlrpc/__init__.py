"""XML-RPC with the attacks left out, and the partners' door that speaks it."""
