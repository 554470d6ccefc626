// The interoperability peer on gRPC's C++ library:
//
//     interop_cpp server|client --name=value ...

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "peer.h"

std::string
FileText(const std::string &path)
{
	std::ifstream file(path);
	std::ostringstream text;

	text << file.rdbuf();
	return text.str();
}

int
main(int argc, char **argv)
{
	Options options;

	for (int i = 2; i < argc; i++) {
		std::string word = argv[i];
		size_t end = word.find('=');

		if (word.compare(0, 2, "--") != 0 || end == std::string::npos) {
			std::fprintf(stderr, "--name=value, not %s\n", argv[i]);
			return 2;
		}
		options[word.substr(2, end - 2)] = word.substr(end + 1);
	}
	if (argc > 1 && std::strcmp(argv[1], "server") == 0)
		return RunServer(options);
	if (argc > 1 && std::strcmp(argv[1], "client") == 0)
		return RunClient(options);
	std::fputs("interop_cpp server|client --name=value ...\n", stderr);
	return 2;
}
