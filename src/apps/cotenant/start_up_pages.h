#pragma once

/// Gives back what only starting and loading needed.

namespace cotenant {

/// Returns free heap to the system, and lets go of the program's and its libraries' pages of code
/// and constants: those that serving needs come back from the page cache on first use (microseconds
/// each), the others never. Any thread; the others may run. Does nothing where /proc is not
/// mounted.
void ReleaseStartUpPages();

}  // namespace cotenant
