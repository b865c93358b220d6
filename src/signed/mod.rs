//! Who may see a resource.
