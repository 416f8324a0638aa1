"""Packages the checkout it lies in: conan create .packaging/conan"""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class MsrnnConan(ConanFile):
    name = "msrnn"
    description = "KV-cache eviction policies for transformer decoders, as C++20 headers"
    license = "MIT"
    topics = ("kv-cache", "transformer", "inference", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    # msrnn::state, which needs Eigen, and msrnn::io, which needs msrnn::state and nlohmann/json.
    options = {"state": [True, False], "io": [True, False]}
    default_options = {"state": True, "io": False}
    no_copy_source = True

    @property
    def _checkout(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._checkout, "include", "msrnn", "config.hpp"))
        self.version = ".".join(re.findall(r"#define MSRNN_VERSION_\w+ (\d+)", header))

    def export_sources(self):
        copy(self, "LICENSE", self._checkout, self.export_sources_folder)
        copy(self, "include/*.hpp", self._checkout, self.export_sources_folder)

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        if self.options.state:
            self.requires("eigen/[>=3.4 <6]")
        if self.options.io:
            self.requires("nlohmann_json/[>=3.9 <4]")

    def validate(self):
        check_min_cppstd(self, 20)
        if self.options.io and not self.options.state:
            raise ConanInvalidConfiguration("msrnn's option io needs its option state")

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "include/*.hpp", self.source_folder, self.package_folder)

    def package_id(self):
        self.info.clear()

    def package_info(self):
        names = {"decide": "msrnn"}
        if self.options.state:
            names["state"] = "msrnn-state"
        if self.options.io:
            names["io"] = "msrnn-io"
        for component, pkg_config_name in names.items():
            info = self.cpp_info.components[component]
            info.set_property("pkg_config_name", pkg_config_name)
            info.bindirs = []
            info.libdirs = []
        if self.options.state:
            self.cpp_info.components["state"].requires = ["decide", "eigen::eigen"]
        if self.options.io:
            self.cpp_info.components["io"].requires = ["state", "nlohmann_json::nlohmann_json"]
