# How every target of the project is compiled, and the one function that declares a folder.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# All folders go into the shared library too, which shows nothing but its own functions.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(GCTMASK_WERROR "Warnings are errors" ON)
option(GCTMASK_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(GCTMASK_COVERAGE "Count executed lines" OFF)
option(GCTMASK_CUDA "Build the CUDA module (needs nvcc)" OFF)
option(GCTMASK_CUDNN "Let the CUDA module use cuDNN, if its header is there" ON)
option(GCTMASK_CUBLAS "Let the CUDA module use cuBLAS, if its header is there" ON)
option(GCTMASK_FUZZ "Build the fuzz targets (needs clang)" OFF)

add_library(compile_options INTERFACE)
target_compile_definitions(compile_options INTERFACE _GNU_SOURCE)
target_include_directories(compile_options INTERFACE ${CMAKE_SOURCE_DIR})
# -ffp-contract=off: results must not depend on which multiplications the compiler fuses.
target_compile_options(compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wundef -Wdouble-promotion -Wformat=2 -Wswitch-enum -ffp-contract=off -fno-math-errno
  $<$<BOOL:${GCTMASK_WERROR}>:-Werror>)
if(GCTMASK_SANITIZE)
  target_compile_options(compile_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(compile_options INTERFACE -fsanitize=address,undefined)
endif()
if(GCTMASK_COVERAGE)
  target_compile_options(compile_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(compile_options INTERFACE --coverage)
endif()
if(GCTMASK_FUZZ)
  target_compile_options(compile_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# How .cu files are compiled, by nvcc and, for the emulator, by a C++ compiler.
add_library(cuda_compile_options INTERFACE)
target_compile_definitions(cuda_compile_options INTERFACE _GNU_SOURCE)
target_include_directories(cuda_compile_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(cuda_compile_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
  -Wall -Wextra -Wpedantic -Wconversion -Wvla -Wundef -Wdouble-promotion -Wformat=2
  -Wno-missing-field-initializers -ffp-contract=off -fno-math-errno
  $<$<BOOL:${GCTMASK_WERROR}>:-Werror>>)
if(GCTMASK_SANITIZE)
  target_compile_options(cuda_compile_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(cuda_compile_options INTERFACE
    $<$<LINK_LANGUAGE:CXX>:-fsanitize=address,undefined>)
endif()
if(GCTMASK_COVERAGE)
  target_compile_options(cuda_compile_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:--coverage>)
  target_link_options(cuda_compile_options INTERFACE $<$<LINK_LANGUAGE:CXX>:--coverage>)
endif()

# folder_library(NAME USES folder... LIBRARIES library...): the static library of the current
# folder, from all .c files in it and below. USES names other folders of the project and is public, since headers
# include headers; LIBRARIES are private to the folder's own files.
function(folder_library name)
  cmake_parse_arguments(ARG "" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${ARG_USES} PRIVATE compile_options ${ARG_LIBRARIES})
endfunction()
