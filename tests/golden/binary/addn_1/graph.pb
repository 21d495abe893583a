
7
x0Placeholder*
dtype0*
shape:

zAddNx0*
N*
T0"ª