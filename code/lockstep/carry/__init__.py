"""How runs outlive a change of code: accepted with a reason, or taken over from an older engine."""
