// Exceptions across a library, objects that are undone, templates, threads.
#include "thrower.h"
#include <cstdio>
#include <map>
#include <string>
#include <thread>

static int undone;
struct Guard {
	~Guard() { undone++; }
};

template <typename T> T add(T a, T b) { return a + b; }

static thread_local int mine = 3;

int main() {
	try {
		Guard g;
		raise_trouble(42);
	} catch (const std::exception &e) {
		auto *t = dynamic_cast<const Trouble *>(&e);
		std::printf("%s %d %d\n", e.what(), t ? t->n : -1, undone);
	}
	int other = 0;
	std::thread([&] { mine += 4; other = mine; }).join();
	std::map<std::string, int> m{{"one", 1}, {"two", 2}};
	std::printf("%d %d %s %d\n", other, mine, add<std::string>("a", "b").c_str(), m["one"] + m["two"]);
	return 0;
}
