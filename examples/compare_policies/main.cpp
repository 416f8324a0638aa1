// What eviction policies do to a language model: the policies of the library. own_comparison/ adds one to them.
#include "program.hpp"

int main(int argc, char** argv) { return compare::program(argc, argv); }
