#include <stdexcept>
struct Trouble : std::runtime_error {
	int n;
	explicit Trouble(int n) : std::runtime_error("trouble"), n(n) {}
	~Trouble() override;
};
void raise_trouble(int n);
