#include <cmath>
#include <cstdio>

double run_old();
double run_new();

/// `old` alone has to run on the oldest processor; `both` says the same number twice.
int main(int count, char**) {
    const double old_sum = run_old();
    std::printf("old %.9g\n", old_sum);
    if (count > 1) return old_sum > 0 ? 0 : 1;
    const double new_sum = run_new();
    std::printf("new %.9g\n", new_sum);
    return old_sum > 0 && std::fabs(old_sum - new_sum) < 1e-4 * old_sum ? 0 : 1;
}
