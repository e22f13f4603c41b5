// Asio's own code, compiled here once instead of in every file that includes it.

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/asio/impl/src.hpp>
#pragma GCC diagnostic pop
