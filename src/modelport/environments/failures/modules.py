"""Which distribution a module is in, for what is not installed: most have the module's own name."""

_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "jwt": "pyjwt",
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "magic": "python-magic",
    "git": "gitpython",
    "docx": "python-docx",
    "pptx": "python-pptx",
    "fitz": "pymupdf",
    "umap": "umap-learn",
    "imblearn": "imbalanced-learn",
    "category_encoders": "category-encoders",
    "faiss": "faiss-cpu",
    "talib": "ta-lib",
    "Levenshtein": "levenshtein",
    "Bio": "biopython",
    "attr": "attrs",
    "pkg_resources": "setuptools",
    "distutils": "setuptools",
    "setuptools": "setuptools",
    "google.protobuf": "protobuf",
    "google.cloud.storage": "google-cloud-storage",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "azure.storage.blob": "azure-storage-blob",
    "azure.identity": "azure-identity",
    "ruamel.yaml": "ruamel-yaml",
    "mpl_toolkits": "matplotlib",
    "tensorflow_hub": "tensorflow-hub",
    "sentence_transformers": "sentence-transformers",
    "pytorch_lightning": "pytorch-lightning",
    "lightning": "lightning",
}


def distribution_of(module: str) -> str:
    """``google.protobuf.message`` is in protobuf; one that is not known has the name of its first part."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        known = _DISTRIBUTIONS.get(".".join(parts[:end]))
        if known is not None:
            return known
    return parts[0].replace("_", "-").lower()
