# Every library that the product links, all from Debian 12 / Ubuntu 24.04. A missing one ends the
# configuration with the name of the package to install.
find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  message(FATAL_ERROR "pkg-config is missing: install the package pkg-config")
endif()

function(require_package target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${module} is missing: install the package ${package}")
  endif()
endfunction()

require_package(CJSON libcjson libcjson-dev)
require_package(CURL libcurl libcurl4-openssl-dev)
require_package(JPEG libjpeg libjpeg-dev)
require_package(MICROHTTPD libmicrohttpd libmicrohttpd-dev)
require_package(PNG libpng libpng-dev)
require_package(SECCOMP libseccomp libseccomp-dev)
require_package(ZLIB zlib zlib1g-dev)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# oneDNN has no pkg-config file in Debian.
find_path(DNNL_INCLUDE dnnl.h)
find_library(DNNL_LIBRARY dnnl)
if(NOT DNNL_INCLUDE OR NOT DNNL_LIBRARY)
  message(FATAL_ERROR "oneDNN is missing: install the package libdnnl-dev")
endif()
add_library(dnnl UNKNOWN IMPORTED GLOBAL)
set_target_properties(dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE})

# oneDNN's threads are OpenMP's, and ours in kernels must be the same ones.
find_package(OpenMP REQUIRED COMPONENTS C)

# MPI has several makers; FindMPI takes the one whose mpicc comes first in PATH. libmpi costs the
# start of the program half a millisecond, so it is linked like all others.
find_package(MPI QUIET COMPONENTS C)
if(NOT MPI_C_FOUND)
  message(FATAL_ERROR "MPI is missing: install the packages libopenmpi-dev and openmpi-bin")
endif()
