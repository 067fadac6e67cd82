"""Which Debian package has a shared library, a header or a program that Python packages take for granted."""

import re

_OF_LIBRARY = {
    "libGL.so": "libgl1",
    "libEGL.so": "libegl1",
    "libgthread-2.0.so": "libglib2.0-0",
    "libglib-2.0.so": "libglib2.0-0",
    "libgomp.so": "libgomp1",
    "libgfortran.so": "libgfortran5",
    "libopenblas.so": "libopenblas0",
    "liblapack.so": "liblapack3",
    "libstdc++.so": "libstdc++6",
    "libSM.so": "libsm6",
    "libICE.so": "libice6",
    "libX11.so": "libx11-6",
    "libXext.so": "libxext6",
    "libXrender.so": "libxrender1",
    "libxcb.so": "libxcb1",
    "libsndfile.so": "libsndfile1",
    "libportaudio.so": "libportaudio2",
    "libodbc.so": "unixodbc",
    "libpq.so": "libpq5",
    "libmariadb.so": "libmariadb3",
    "libmysqlclient.so": "libmariadb3",
    "libOpenCL.so": "ocl-icd-libopencl1",
    "libmagic.so": "libmagic1",
    "libffi.so": "libffi8",
    "libssl.so": "libssl3",
    "libcrypto.so": "libssl3",
    "libhdf5.so": "libhdf5-103-1",
    "libgeos_c.so": "libgeos-c1v5",
    "libproj.so": "libproj25",
    "libgdal.so": "libgdal32",
    "libcairo.so": "libcairo2",
    "libpango-1.0.so": "libpango-1.0-0",
    "libzbar.so": "libzbar0",
    "libtesseract.so": "libtesseract5",
    "libnuma.so": "libnuma1",
    "libjvm.so": "default-jre-headless",
    "libR.so": "r-base-core",
}
"""As Debian 12 has them."""
_TO_BUILD = {
    "Python.h": "python3-dev",
    "ffi.h": "libffi-dev",
    "libpq-fe.h": "libpq-dev",
    "pg_config": "libpq-dev",
    "mysql.h": "default-libmysqlclient-dev",
    "mysql_config": "default-libmysqlclient-dev",
    "sql.h": "unixodbc-dev",
    "openssl/ssl.h": "libssl-dev",
    "libxml/xmlversion.h": "libxml2-dev",
    "libxslt/xsltconfig.h": "libxslt1-dev",
    "zlib.h": "zlib1g-dev",
    "hdf5.h": "libhdf5-dev",
    "geos_c.h": "libgeos-dev",
    "gdal-config": "libgdal-dev",
    "portaudio.h": "portaudio19-dev",
    "sasl/sasl.h": "libsasl2-dev",
    "ldap.h": "libldap-dev",
    "gcc": "build-essential",
    "g++": "build-essential",
    "cc": "build-essential",
    "c++": "build-essential",
    "make": "build-essential",
    "gfortran": "gfortran",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "rustc": "rustc cargo",
    "cargo": "rustc cargo",
    "swig": "swig",
    "nvcc": "nvidia-cuda-toolkit",
}


def to_have(library: str) -> str:
    """The one thing to do about a library that cannot be opened."""
    return _install(_OF_LIBRARY.get(re.sub(r"(\.so)[.\d]*$", r"\1", library)), library)


def to_build(file: str) -> str:
    """The same about a header or program that a source archive needs."""
    return _install(_TO_BUILD.get(file), file)


def _install(package: str | None, file: str) -> str:
    if package is not None:
        return f"apt-get install {package} (as Debian calls it)"
    return f"Install the system's package that has {file}; on Debian, apt-file search {file} names it"
